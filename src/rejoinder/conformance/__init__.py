"""The proof: scenarios by faults by clients, each cell held in a process of its own and judged.

``matrix`` runs the cells, ``judge`` (pure) says what became of each, ``page`` and ``table`` show it. A
client is driven by one of ``drivers``, which are loaded by name.
"""
