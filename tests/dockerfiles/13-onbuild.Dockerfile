FROM base:1
ONBUILD RUN echo built > /built
ONBUILD COPY a.txt /onbuild/
