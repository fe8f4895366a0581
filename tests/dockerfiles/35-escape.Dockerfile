# escape=`
FROM base:1
RUN echo one `
  two > /one
ENV A=x`$y B=c:\dir
