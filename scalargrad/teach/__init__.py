"""What a class works with: the documents' examples and equations, the usual mistakes, and worksheets."""
