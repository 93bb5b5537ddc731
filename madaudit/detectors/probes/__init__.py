"""Linear probes on an encoder's features: their form, their fitting, and what they share."""
