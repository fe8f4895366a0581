FROM base:1
COPY sub/link /followed
COPY linked /dir
