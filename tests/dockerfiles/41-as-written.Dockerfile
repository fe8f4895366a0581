FROM base:1 AS first
CMD ["sh"] and what nobody reads
WORKDIR /as//it/is/
RUN pwd > /where; echo one > /one; ln -s /nowhere/yet /lost; ln -s ../../up/there /etc/far; ln -s /gone/er /more
FROM scratch
COPY --from=first /bin /bin
COPY --from=0 /one /etc/group /kept/
ENTRYPOINT []
FROM first
ENTRYPOINT ["x"]
ENTRYPOINT []
COPY --from=first /one /two
COPY a.txt /lost
COPY modes /etc/far/
COPY b.txt /more
