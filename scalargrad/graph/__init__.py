"""What a recorded graph tells: views, the record of what backward did, gradients as Values, and their checks."""
