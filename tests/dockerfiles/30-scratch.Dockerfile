FROM scratch
COPY a.txt /
COPY sub /sub
ENV A=b
WORKDIR /made/here
CMD ["/a.txt"]
