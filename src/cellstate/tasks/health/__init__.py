"""Patients: outcomes of stays, risks hour by hour, visits; how they are scored and shown."""
