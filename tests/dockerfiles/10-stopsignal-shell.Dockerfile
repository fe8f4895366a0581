FROM base:1
STOPSIGNAL SIGUSR1
SHELL ["/bin/sh", "-ec"]
RUN echo $0 > /shell
CMD run me
