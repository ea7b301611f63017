"""What AWS says on the wire, as plain values and plain functions: nothing here waits or looks anywhere."""
