FROM base:1
ADD ar.tar.gz /un/
ADD plain.tar /un2
ADD a.txt /un3/
COPY ar.tar.gz /packed/
