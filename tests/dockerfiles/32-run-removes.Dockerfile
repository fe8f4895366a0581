FROM base:1
RUN mkdir /gone && echo x > /gone/x && echo y > /y
RUN rm -r /gone /y /opt && echo file > /opt
RUN mv /etc/passwd /etc/passwd.old; ln -s passwd.old /etc/passwd
