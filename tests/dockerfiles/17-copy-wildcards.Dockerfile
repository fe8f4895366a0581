FROM base:1
COPY *.txt /w/
COPY sub/?  /q/
COPY sub/*/c /deep/
COPY [a-b]* /class/
