"""What the step `conv_study` measures: ways to convolve, their time and memory."""
