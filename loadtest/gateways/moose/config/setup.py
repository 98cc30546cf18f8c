from setuptools import setup

setup(name="loadtest", version="0.0")
