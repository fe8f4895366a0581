FROM base:1 AS builder
WORKDIR /src
COPY sub .
RUN echo made > out && chmod 640 out && chown 3:4 out
FROM base:1
COPY --from=builder /src/out /opt/
COPY --from=0 /src /src
COPY --from=builder --chown=1:2 /src/out /owned
