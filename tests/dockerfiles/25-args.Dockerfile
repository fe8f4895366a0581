# build: --build-arg GIVEN=outside --build-arg HTTP_PROXY=http://proxy
ARG VERSION=1
FROM base:${VERSION}
ARG VERSION
ARG GIVEN=inside
ARG DEFAULT="a b"
ARG NONE
RUN echo "$VERSION $GIVEN $DEFAULT $NONE $HTTP_PROXY" > /args
ENV GIVEN=env-$GIVEN
RUN echo "$GIVEN" >> /args
LABEL v=$VERSION-$GIVEN
