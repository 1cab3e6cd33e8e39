"""The owner's branding: name, logo and colours.

Imports no app: those add what pages show of orders or money.
"""
