"""The methods that the experiments compare, each behind `finexl.bench.methods.Method`."""
