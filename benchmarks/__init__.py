"""Measurements that pair the library with its peers. No part of the package: see README.md."""
