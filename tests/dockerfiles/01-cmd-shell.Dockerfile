FROM base:1
CMD echo "hello $HOME" && exit 0
