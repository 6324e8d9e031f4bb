"""OpenCL: any platform, any device, one queue."""
