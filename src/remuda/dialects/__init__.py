"""The faces: one folder per dialect, none knows another. A dialect has words (`schemas`), errors and routes.

A dialect turns a body into an ask and a fault into its own error shape; the work itself is done by the rooms below.
"""
