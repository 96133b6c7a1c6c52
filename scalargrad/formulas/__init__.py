"""What is written: a rule's formula as a tree, tidied as a person would, and a notation for each language."""
