FROM base:1
RUN echo root > /tmp/root
USER alice
RUN id > /tmp/alice
USER 1234:5678
RUN id -u > /tmp/number
USER root
