# ignore: *.txt !a.txt sub/deep **/*.sh .dockerignore Dockerfile
FROM base:1
COPY . /ctx
