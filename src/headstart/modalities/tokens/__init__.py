"""What all sequences of ids share: their file, and counts of what stands beside what."""
