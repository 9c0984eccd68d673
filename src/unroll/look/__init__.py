"""What people look at before they train: doubtful labels, and a page about the table.

It imports base, params, data, text, evaluation, linear and stages.
"""
