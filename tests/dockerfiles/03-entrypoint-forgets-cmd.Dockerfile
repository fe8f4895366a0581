FROM base:1
ENTRYPOINT exec sh
