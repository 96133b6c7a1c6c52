"""What trains a network: losses, optimizers, data, samples, and the loop over them."""
