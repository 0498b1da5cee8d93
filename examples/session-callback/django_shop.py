"""A Django product, and the twenty lines that connect it with Tandem: the view `tandem_session` and its route.

    SESSION_STORE=callback
    SESSION_CALLBACK_URL=http://127.0.0.1:8000/tandem/session
    SESSION_COOKIE_NAME=sessionid

Run it with: python3 django_shop.py. It needs SESSION_CALLBACK_SECRET, and prints the port that it listens on.
"""

import hashlib
import hmac
import json
import os
import tempfile
from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(
    SECRET_KEY='signs what the product signs',
    ALLOWED_HOSTS=['127.0.0.1'],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={
        'default': {
            'ENGINE': 'django.db.backends.sqlite3',
            'NAME': os.path.join(tempfile.mkdtemp(), 'shop.sqlite3'),
        }
    },
    INSTALLED_APPS=['django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions'],
    MIDDLEWARE=[
        'django.contrib.sessions.middleware.SessionMiddleware',
        'django.contrib.auth.middleware.AuthenticationMiddleware',
    ],
    DEFAULT_AUTO_FIELD='django.db.models.AutoField',
)
django.setup()

from django.contrib.auth import login, logout  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402

# --- The callback ---


def name_of(key):
    """What Tandem calls the session: not the key, which is in the cookie and signs people in."""
    return hashlib.sha256(key.encode()).hexdigest()


@csrf_exempt
def tandem_session(request):
    wanted = 'Bearer ' + os.environ['SESSION_CALLBACK_SECRET']
    if not hmac.compare_digest(request.headers.get('Authorization', '').encode(), wanted.encode()):
        return HttpResponse(status=403)
    if request.method == 'GET':
        if not request.user.is_authenticated:
            return HttpResponse(status=401)
        name, expires = name_of(request.session.session_key), request.session.get_expiry_date()
        return JsonResponse({'user': str(request.user.pk), 'session': name, 'expires_at': expires.isoformat()})
    asked = json.loads(request.body)
    if request.method == 'POST':
        login(request, User.objects.get(pk=asked['user']))
        return JsonResponse({})
    for session in Session.objects.all():
        user = session.get_decoded().get('_auth_user_id')
        if name_of(session.session_key) == asked.get('session') or user == asked.get('user', ''):
            session.delete()
    return HttpResponse(status=204)


# --- The product as it was ---


@csrf_exempt
def log_in(request, user):
    login(request, User.objects.get_or_create(username=user)[0])
    return JsonResponse({'user': str(request.user.pk)})


@csrf_exempt
def log_out(request):
    logout(request)
    return HttpResponse(status=204)


def me(request):
    if not request.user.is_authenticated:
        return JsonResponse({}, status=401)
    return JsonResponse({'user': str(request.user.pk)})


urlpatterns = [
    path('tandem/session', tandem_session),
    path('login/<user>', log_in),
    path('logout', log_out),
    path('me', me),
]

if __name__ == '__main__':
    call_command('migrate', verbosity=0)
    server = make_server('127.0.0.1', int(os.environ.get('PORT', '0')), get_wsgi_application())
    print(server.server_port, flush=True)
    server.serve_forever()
