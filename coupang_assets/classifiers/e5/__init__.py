"""The fine-tuned e5 classifier: multilingual-e5 (XLM-RoBERTa) trained on "name | manufacturer" → category.

Belongs here: memory planning, training, its files and its use, one module each. Does not: when it is trained (`assets`)
or how good it is beside others (`evaluation`).

torch, transformers and onnxruntime are the extra `e5`; no module here imports them when it is imported.
"""
