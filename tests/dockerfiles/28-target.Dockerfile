# build: --target middle
FROM base:1 AS first
RUN echo 1 > /1
FROM first AS middle
RUN echo 2 > /2
FROM middle AS last
RUN exit 9
