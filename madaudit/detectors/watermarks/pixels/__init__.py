"""What the checks of pixels are made of: transforms, messages, p-values, search."""
