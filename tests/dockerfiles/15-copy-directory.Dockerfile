FROM base:1
COPY sub /sub
COPY sub/ /slash/
COPY sub/deep /etc
WORKDIR /here
COPY sub .
