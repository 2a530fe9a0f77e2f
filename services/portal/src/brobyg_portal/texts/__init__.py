"""The pages and their catalogues."""
