FROM base:1
RUN mkdir -p /o/sub && echo old > /o/sub/b && echo stay > /o/stay
ADD plain.tar /o
