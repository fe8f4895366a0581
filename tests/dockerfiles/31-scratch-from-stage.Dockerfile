FROM base:1 AS tools
RUN echo data > /data
FROM scratch
LABEL only=files
COPY --from=tools /data /bin/busybox /bin/
ENTRYPOINT ["/bin/busybox"]
