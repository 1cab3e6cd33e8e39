"""HTTP to the outside, through `requests`, guarded: what was sent is known, and nothing lasts or grows without end.

Here live the rules of addresses, the phases of an exchange, the connections that measure it, and `transport.post`.
What an answer means is the business of whoever asked.
"""
