"""Small templates, each for a corner of the language; their context is CONTEXT."""

CONTEXT = {
    "messages": [
        {"role": "system", "content": "You are"},
        {"role": "user", "content": "H\u00e9 <|im_end|>"},
        {"role": "assistant", "content": ""},
    ]
}
ONE_LINE = r'''
{{ 1 }} {{ 1.5 }} {{ 1e20 }} {{ 1e-7 }} {{ 100000000000000000.0 }} {{ 7//2 }} {{ -7//2 }} {{ -7%3 }} {{ 7/2 }} {{ 4/2 }} {{ 2**10 }} {{ 2**-1 }} {{ 1_000 }} {{ 0x1f }} {{ -3|abs }}
{{ [1,'a',none,true,1.0,{'k':"it's"}] }} {{ ('a',) }} {{ () }} {{ {'a':1,2:'b'} }} {{ "a\nb'c" | list }} {{ ['é\u200b\x01"', "'"] }}
{{ 'abc'[1] }}{{ 'abc'[-1] }}{{ 'abc'[::-1] }}{{ 'abcdef'[1:5:2] }}{{ [1,2,3][:-1] }}{{ 'héllo'[1:3] }}{{ 'abc'[5] }}|{{ [][0] is defined }}
{{ 'a' 'b' ~ 1 ~ none ~ 2.0 }} {{ 'a' + 'b' * 3 }} {{ not 1 in [1] }} {{ 1 < 2 < 3 }} {{ 3 > 2 == 2 }} {{ 'x' in 'xyz' and 'q' not in 'xyz' }}
{{ x }}|{{ x is defined }}|{{ x|default('d') }}|{{ none|default('d') }}|{{ none|d('d', true) }}|{{ ''|default('e', boolean=True) }}
{{ x.y }}
{{ messages[0].foo.bar }}
{{ x + 1 }}
{% for c in 'abc' %}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ loop.revindex0 }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('x','y') }}{{ loop.changed(c) }};{% endfor %}
{% for i in range(10) if i is odd %}{{ i }}{{ loop.length }}{% else %}none{% endfor %}
{% for i in [] %}x{% else %}empty{% endfor %}
{% for k, v in {'a':1,'b':2}.items() %}{{k}}={{v}},{% endfor %}{% for k in {'z':1} %}{{k}}{% endfor %}
{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = ns.n + i %}{% if i == 3 %}{% break %}{% endif %}{% if i == 1 %}{% continue %}{% endif %}[{{i}}]{% endfor %}{{ ns.n }}
{% set a = 1 %}{% for i in [1,2] %}{% set a = a + 1 %}{{ a }}{% endfor %}{{ a }}
{% macro f(a, b=2, *c) %}{% endmacro %}
{% macro f(a, b='z') %}<{{ a }}-{{ b }}-{{ varargs }}-{{ kwargs }}>{% endmacro %}{{ f(1) }}{{ f(1,2,3) }}{{ f(b=1,a=2,q=5) }}{{ f() }}
{% macro f(x) %}{{ caller(x) }}{% endmacro %}{% call(y) f(3) %}[{{ y }}]{% endcall %}
{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n * fact(n-1)|int }}{% endif %}{% endmacro %}{{ fact(6) }}
{{ '  x '|trim }}|{{ 'xxaxx'|trim('x') }}|{{ 'a b'|title }}|{{ "it's a-b (c)"|title }}|{{ 'HELLO wOrld'|capitalize }}|{{ 'aB'.swapcase() }}|{{ "they're bill's".title() }}
{{ [3,1,2]|sort }}{{ ['b','A','c']|sort }}{{ ['b','A','c']|sort(case_sensitive=true) }}{{ [3,1,2]|sort(reverse=true) }}{{ [1,2,3]|reverse|list }}{{ 'abc'|reverse }}{{ ['a','A','b']|unique|list }}{{ [1,2]|sum }}{{ [{'v':1},{'v':5}]|sum(attribute='v') }}{{ [{'v':3},{'v':1}]|sort(attribute='v') }}
{{ {'b':1,'a':2}|dictsort }}{{ {'b':1,'a':2}|items|list }}{{ {'b':1,'a':2}.keys() }}{{ {'b':1,'a':2}.values() }}{{ {'b':1}.items() }}{{ {'b':1,'a':2}|list }}{{ {'b':1}.get('c', 5) }}{{ {'b':1}.get('c') }}
{{ messages|map(attribute='role')|join(', ') }}{{ messages|selectattr('role','equalto','user')|list|length }}{{ messages|rejectattr('role','in',['user'])|map(attribute='content')|list }}{{ [1,2,3,4]|select('odd')|list }}{{ [0,1,none]|select|list }}{{ ['a','b']|map('upper')|join }}
{{ [1,2,3,4,5]|batch(2)|list }}{{ [1,2,3]|batch(2,'x')|list }}{{ [1,5,2]|max }}{{ [1,5,2]|min }}{{ [1,2]|first }}{{ [1,2]|last }}{{ 'abc'|first }}{{ 'abc'|last }}{{ []|first }}
{{ messages|tojson }}
{{ messages|tojson(indent=2) }}
{{ {'a':[],'b':{},'c':1.5,'d':none,'e':true,'f':"é\n\"<>&'\u2028"}|tojson }}{{ {'z':1,'a':2}|tojson(sort_keys=true) }}{{ 'é😀'|tojson(ensure_ascii=true) }}{{ [1,2]|tojson(separators=(',',':')) }}{{ {'1':{'x':[1,{'y':2}]}}|tojson(indent=4) }}
{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a b c'.split(' ',1) }}{{ 'a,b,c'.rsplit(',',1) }}{{ 'a\nb\r\nc'.splitlines() }}{{ 'a=b=c'.partition('=') }}{{ 'abc'.find('c') }}{{ 'abc'.find('z') }}{{ 'abcabc'.count('bc') }}{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x','c')) }}
{{ '  a '.strip() }}|{{ 'xxaxx'.lstrip('x') }}|{{ 'a\n\n'.rstrip('\n') }}|{{ 'abc'.replace('b','') }}|{{ 'aaa'.replace('a','b',2) }}|{{ 'ab'.replace('','-') }}|{{ '-'.join(['a','b']) }}|{{ 'a'.upper() }}|{{ '5'.zfill(3) }}|{{ 'a'.ljust(3) }}|{{ 'ab'.isdigit() }}|{{ 'abc'.removeprefix('a') }}
{{ 'a<b>&"\''|e }}{{ 'x'|safe + '<' }}{{ '<'|safe ~ '<' }}{{ ('<'|safe) ~ ('<'|e) }}{{ ['<', '<'|safe] }}{{ ('<b>'|safe).upper() + '&' }}
{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb'|indent(2, true) }}|{{ 'a\n\nb'|indent(2, blank=true) }}|{{ 'a\nb'|indent('> ') }}
{{ '%s is %d and %.2f %5s|%-5s|%05d %r %%'|format('a', 3, 1.005, 'x', 'y', 42, 'q') }}{{ '%s' % 'z' }}{{ '%(a)s' % {'a': 1} }}{{ '%s-%s' % (1,2) }}
{{ '3'|int }}{{ '3.7'|int }}{{ 'x'|int }}{{ 'x'|int(9) }}{{ 3.9|int }}{{ '1.5'|float }}{{ 'q'|float }}{{ 5|float }}{{ 2.5|round }}{{ 3.14159|round(2) }}{{ 2.1|round(0,'ceil') }}{{ 7|round }}{{ 1|string + 'a' }}{{ true|int }}
{{ 1 is number }}{{ true is number }}{{ true is integer }}{{ 1.0 is float }}{{ {} is mapping }}{{ [] is sequence }}{{ 'a' is sequence }}{{ {} is sequence }}{{ 5 is iterable }}{{ x is iterable }}{{ x is sequence }}{{ none is none }}{{ 1 is sameas 1 }}{{ 4 is divisibleby 2 }}{{ 4 is even }}{{ 'A' is upper }}{{ 'a' is lower }}{{ 3 is in [3] }}{{ 3 is not in [3] }}{{ true is true }}{{ 1 is true }}{{ 0 is false }}{{ 2 is eq 2 }}{{ 1 is lt 2 }}{{ 'a' is string }}{{ range is callable }}{{ 'trim' is filter }}{{ x is undefined }}{{ 3 is gt(2) }}
{{ 'a' if true }}{{ 'b' if false }}{{ 'c' if false else 'd' if false else 'e' }}
{%- set q %}  hello {{ 1 }} {% endset -%}[{{ q }}]{% set r | upper | trim %} abc {% endset %}[{{ r }}]
{% filter upper %}abc{{ 'x' }}{% endfilter %}{% with a=1, b=2 %}{{ a+b }}{% endwith %}{{ a is defined }}
{% raw %}{{ x }}{% if %}{% endraw %}|{%- raw -%}  a  {%- endraw -%}  b
a  {#- c -#}  b {# x #} c
{% generation %}{% set zz = 1 %}gen{% endgeneration %}{{ zz is defined }}
{{ 1 if x is not defined else 2 }}{{ x is not defined and 1 }}{{ (1,2) + (3,) }}{{ [1] + [2] }}{{ [1]*3 }}{{ 'ab'*2 }}{{ 1 == 1.0 }}{{ true == 1 }}{{ 'a' == 1 }}{{ [1] == [1] }}{{ {'a':1} == {'a':1} }}{{ none == false }}{{ x == y }}{{ (1,) == [1] }}
{{ messages[0]['role'] }}{{ messages[-1].content }}{{ messages[1:]|length }}{{ messages.0.role }}{{ messages[99] is defined }}{{ messages|length > 1 }}{{ messages[0].items()|list }}{{ 'content' in messages[0] }}
{{ dict(a=1, b=2) }}{{ dict([('x',1)]) }}{{ range(3)|list }}{{ range(5,1,-2)|list }}{{ namespace(a=1).a }}
{% for i in range(3) %}{% for j in range(2) %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{% if x %}a{% elif messages %}b{% else %}c{% endif %}{% if not x %}n{% endif %}{% if '' %}1{% endif %}{% if 0.0 %}1{% endif %}{% if [] %}1{% endif %}{% if messages|selectattr('zz') %}gen{% endif %}
{{ 'ß'|upper }}{{ 'ΑΣ'|lower }}{{ 'ﬁ'|upper }}{{ 'éa'|capitalize }}{{ 'ÀÉ'|lower }}{{ 'İ'|lower }}{{ 'привет мир'|title }}
{% set x, y = 1, 2 %}{{ x }}{{ y }}{% set (a, b) = (3, 4) %}{{ a }}{{ b }}{% for (a, b), c in [((1,2),3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{{ 'a' if messages is not string and messages is iterable else 'b' }}{{ messages is mapping }}
{{ strftime_now('%d %b %Y') }}|{{ strftime_now('%Y-%m-%d %H:%M') }}
{{ raise_exception('boom') }}
{{ messages.append(1) }}
{{ {}.update({}) }}
{{ ''.__class__ }}|{{ messages.__class__ is defined }}
{{ messages | join('x', attribute='role') }}{{ 'abc' | join('-') }}{{ [1,2,none] | join(',') }}{{ 'abc'|list }}{{ 'abc'|length }}{{ 'hé'|length }}{{ x|length }}{{ x|list }}
{{ [[1,2],[3]]|map('join','-')|list }}{{ [[1,2],[3]]|map('first')|list }}{{ ['a ',' b']|map('trim')|list }}{{ messages|map(attribute='zz', default='D')|list }}{{ ['x','yy']|map('length')|list }}
{{ 5 // 0 }}
{{ none + 1 }}
{{ 'a' + 1 }}
{{ 'a' < 1 }}
{{ none.foo }}|{{ 5.foo }}
{{ f(x) }}
{{ 3 in 5 }}
{{ 1 in 'abc' }}
{% if a = 1 %}{% endif %}
{{ 'abc }}
{% for x in y %}
{% unknown %}
{{ x | nofilter }}
{{ x is notest }}
{{ }}
{{ 1 2 }}
{% set x = 5 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 6 %}{{ m() }}{% for x in [7] %}{{ m() }}{% endfor %}
{% macro m() %}{{ loop is defined }}{% endmacro %}{% for x in [7] %}{{ m() }}{% endfor %}
{% for a in [1] %}{% set b = a %}{% if true %}{% set c = 9 %}{% endif %}{{ b }}{{ c }}{% endfor %}{{ b is defined }}{{ c is defined }}
{% if true %}{% set d = 1 %}{% endif %}{{ d }}
{{ -1 | abs }}{{ -2 ** 2 }}{{ 2 ** 3 ** 2 }}{{ 1 - 2 - 3 }}{{ 2 * 3 % 4 }}{{ 'a' ~ 1 + 2 }}{{ - 5 // 2 }}
{{ "a" "b" }}{{ 'tab\there' }}{{ 'q\'q' }}{{ "\x41\u00e9\101\q" }}
{{ (x or 'fallback') }}{{ ('' or none) }}{{ (1 and 'z') }}{{ not '' }}
{{ [1,2,3,4,5,6][::2] }}{{ [1,2,3][5:] }}{{ [1,2,3][-2:] }}{{ [1,2,3][::-1] }}{{ 'abc'[:100] }}{{ range(10)[2:4]|list }}{{ (1,2,3)[1:] }}
{{ messages[0] }}{{ messages[0]|string }}{{ messages|string|length }}
{{ 'a.b.c'.split('.')[-1] }}{{ ' x'.strip().upper().lower() }}{{ ('a' ~ 'b').upper() }}
{{ 9223372036854775807 }} {{ 1e3 }} {{ 12345678.9 }} {{ 0.1+0.2 }} {{ 1/3 }} {{ 1e16 }} {{ 123456789012345680.0 }} {{ 1.0e-5 }}
{{ 'x' | center(5) }}|{{ 'xy' | center(5) }}|{{ 'ab'.rjust(4,'*') }}
{{ messages | length == 3 and messages[0].role == 'system' }}{{ messages | map(attribute='content') | map('upper') | list }}
{% set ns = namespace() %}{% set ns.a = [] %}{% set ns.a = ns.a + ['q'] %}{{ ns.a }}{{ ns.zz is defined }}{% set messages = messages[1:] %}{{ messages|length }}
{{ {'items': 5}['items'] }}{{ {'items': 5}.items is callable }}{{ {'a b': 1}['a b'] }}{{ {1: 'x'}[1] }}{{ {1:'x'}[true] }}{{ {}[[]] is defined }}
'''.strip('\n').split('\n')
SEVERAL_LINES = [
"a\n  {% if true %}\n  b\n  {% endif %}\nc\n",
"a\n  {%- if true %}\n  b\n  {%- endif %}\nc\n\n",
"  {% if true -%}\n  b\n  {% endif +%}\nc",
"  {%+ if true %}\n  b{% endif %}  \nc {{ 1 }}\n {{ 2 }}\n",
"x {# c #}\n  {# d #}\n y {{- 1 -}} \n z",
"{% for i in [1,2] %}\n  {{ i }}\n{% endfor %}\n\nend",
"a\r\nb\r\n{% if 1 %}\r\nc{% endif %}\r\n",
"{%- for m in messages %}\n    {%- if m.role == 'user' %}\n        {{- '<u>' + m.content }}\n    {%- else %}\n        {{- m.content }}\n    {%- endif %}\n{%- endfor %}\n",
"{% raw %}\n a {% endraw %}\nb",
"  {% raw %} a\n  {%- endraw %}\n  b",
"{{ 'a\nb' }}\n{{ {\n'a': 1,\n} }}\n{{ [1,\n2,] }}",
"a \t{%- set x = 1 -%}\u00a0 b",
"{{ {'a':{'b':1}}.a.b }}{{ {'a':{}} }}",
"line1\n\n  {% set x=1 %}  \n  {% set y=2 %}x\n\t{% if x %}\n\ty\n\t{% endif %}",
"a{#\nmulti\n#}\nb{# x -#}  \n c{#+ y +#}\nd",
]
