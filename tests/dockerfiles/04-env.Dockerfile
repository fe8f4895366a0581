FROM base:1
ENV A=1 B="two words" C='$A' D=\$A E=x\ y
ENV A=2 F=$A${A}${G:-else}${A:+then}
ENV OLD all the $A rest
RUN echo "$A,$B,$C,$D,$E,$F,$OLD" > /env
