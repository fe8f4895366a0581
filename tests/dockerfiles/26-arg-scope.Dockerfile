ARG ONE=1
FROM base:$ONE AS first
ARG ONE=stage
RUN echo $ONE > /one
FROM first
RUN echo "[$ONE]" > /two
ARG ONE
RUN echo "[$ONE]" > /three
