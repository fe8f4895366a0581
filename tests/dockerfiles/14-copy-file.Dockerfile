FROM base:1
COPY a.txt /a.txt
COPY a.txt /new/dir/
COPY a.txt /new/name
COPY a.txt /tmp
COPY ./a.txt relative
