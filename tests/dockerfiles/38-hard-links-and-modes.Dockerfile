FROM base:1
COPY modes /modes
COPY modes/setuid /bin/
ADD modes /added
