"""tensorflow-metadata 1.21 asks for protobuf 4.25 or newer, and cannot be imported beside 4.25.

TensorFlow 2.17 refuses protobuf 5. So pip installs the newest tensorflow-metadata with protobuf 4.25, and
`import tensorflow_datasets` fails: "cannot import name 'runtime_version' from 'google.protobuf'".
What helps: pip install "tensorflow-metadata<1.21".
Threads, on earlier cases of the same: https://github.com/tensorflow/datasets/issues/4858
Needs TensorFlow 2.17, tensorflow-datasets and what pip installs with them.
"""

from importlib.metadata import requires, version

print("tensorflow-metadata", version("tensorflow-metadata"), "beside protobuf", version("protobuf"))
print("it asks for:", *(line for line in requires("tensorflow-metadata") if line.startswith("protobuf")))
try:
    from tensorflow_metadata.proto.v0 import schema_pb2  # noqa: F401
except ImportError as error:
    print("expected: it can be imported; got:", error)
else:
    print("expected: it can be imported; got: it can")
