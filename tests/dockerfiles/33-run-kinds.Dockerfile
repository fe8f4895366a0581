FROM base:1
RUN ln -s /nowhere /dangling; mkfifo /pipe; ln /etc/passwd /etc/hard; chmod 4755 /bin/busybox
RUN ["/bin/sh", "-c", "echo exec > /exec"]
RUN true
RUN ["/bin/true"]
