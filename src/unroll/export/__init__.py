"""`unroll export`: the network in models/ as ONNX, for other languages and servers. It needs no PyTorch."""
