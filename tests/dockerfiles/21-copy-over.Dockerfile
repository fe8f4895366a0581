FROM base:1
RUN mkdir -p /t/sub/b /t/dir && echo old > /t/a.txt && ln -s dir /t/link && chmod 700 /t/dir && chown 5:6 /t/dir
COPY a.txt /t/
COPY sub /t/sub2
COPY a.txt /t/link/
COPY sub/deep /t/dir
