"""Response policy zones as zone files."""
