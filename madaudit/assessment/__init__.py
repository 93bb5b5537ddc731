"""What contamination means: harm, risk, and where to cut; numbers in, numbers out."""
