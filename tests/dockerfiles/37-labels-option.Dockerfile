# build: --label b=2 --label a=one
FROM base:1
LABEL c=3
RUN echo x > /x
