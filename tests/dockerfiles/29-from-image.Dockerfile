FROM base:1
COPY --from=base:1 /etc/passwd /copied
COPY --from=base:1 /etc /etc2
