ARG TAG=1
FROM base:$TAG AS build
ARG USERNAME=alice
ENV APP_HOME=/home/$USERNAME/app
WORKDIR $APP_HOME
COPY --chown=alice:alice . .
RUN find . -type f | sort > /manifest && rm -rf sub
FROM build
LABEL org.opencontainers.image.title="everything" org.opencontainers.image.version="$TAG"
USER $USERNAME
EXPOSE 5000
VOLUME ["/var/lib/app"]
HEALTHCHECK --interval=10s CMD test -f /manifest
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["cat /manifest"]
