"""The admin's first page: four facts by ages and bounds, the providers, and what needs the person who looks."""
