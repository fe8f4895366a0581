FROM base:1
ENV DIR=/var/app
WORKDIR ${DIR}/one
WORKDIR two
WORKDIR ../three
RUN pwd > where
WORKDIR /tmp
RUN pwd
